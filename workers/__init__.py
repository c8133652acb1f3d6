"""The thin shell: one folder per process, standing on workers.runtime."""
