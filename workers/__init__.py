"""The processes: a thin shell around the core, one folder for each, on a common runtime."""

from workers.runtime.host.surroundings import prepare

prepare()
