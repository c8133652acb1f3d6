"""Image files in folders: which there are, what they show, and which masks belong to them.

One answer for all who look: camera, collect, demo, train, calibrate, evaluate, inspect. Layouts,
one file each: MVTec AD's, BTAD's, VisA's own, and a plain folder of good images.
"""
