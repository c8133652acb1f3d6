"""Do thresholds keep what they promise, in a simulation and on real images?"""
