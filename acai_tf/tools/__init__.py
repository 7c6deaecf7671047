"""Commands around runs: compare, explore, render, reproduce."""
