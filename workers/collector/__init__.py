"""From the live topic into a training folder: frames of a new product, or more of an old one."""
