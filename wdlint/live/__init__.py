"""The check at run time: a real model and its real optimizer, judged by the rules that judge code.

`models` and `optimizers` look at what is in memory, `canonical` writes an optimizer down as code, `sources` finds the
code that built it, `judging` checks either with what was seen; `effect` says what the numbers do, `report` tells it.
Nothing here imports torch: whoever has a model has it.
"""
