"""Who asks, and what they may do."""

from dataclasses import dataclass

ROLES = ("viewer", "operator", "engineer")  # each may do what those before it may
ANYBODY = "anybody"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a role. `session`: the digest of the cookie's token; empty: none."""

    name: str
    role: str
    session: str = ""

    def may(self, role: str) -> bool:
        """Whether they have the role, or a greater one."""
        return ROLES.index(self.role) >= ROLES.index(role)


def greatest(roles: list[str]) -> str | None:
    """The role that may do most; None: there is none."""
    return max(roles, key=ROLES.index, default=None)
