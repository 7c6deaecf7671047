"""The published tables, obtained: acai-tf reproduce --table=lines."""
