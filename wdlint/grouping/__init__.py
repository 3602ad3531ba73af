"""Who gets which decay: policies, and the code that makes parameter groups."""
