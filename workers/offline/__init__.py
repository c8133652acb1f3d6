"""The offline side: from folders of images to calibrated model versions, and their report card."""
