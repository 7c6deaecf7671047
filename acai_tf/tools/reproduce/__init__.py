"""The paper's tables, from training to the written page: `acai-tf reproduce`."""
