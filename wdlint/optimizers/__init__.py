"""How optimizers treat weight decay: measured, looked up by import path."""
