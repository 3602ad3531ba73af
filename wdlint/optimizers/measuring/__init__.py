"""What an optimizer class does with weight decay, measured on tiny tensors.

Needs the standard library and torch, nothing of wdlint: models/worker.py loads this folder in the project's
interpreter, which may be as old as Python 3.8. `measure.measure` is the way in; it serves in a running process, too.
"""
