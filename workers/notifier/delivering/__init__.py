"""Bringing alarms to people and machines: kept first, then sent, each channel on its own thread.

`text` and `rank` are pure; `channels/` say how one channel takes alarms; `journal` and `outbox`
keep what waits; `courier` serves one channel; `delivery` is what the notifier's loop sees.
"""
