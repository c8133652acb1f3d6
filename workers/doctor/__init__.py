"""`stream-inspector doctor`: whether a process would find all that it needs, before it is started.

A check is a small function that returns findings; `plan.py` says which checks a process has,
`examine.py` runs them all, `report.py` shows what came of them.
"""
