"""Passwords, kept as scrypt hashes (RFC 7914): `scrypt$15$8$1$salt$hash`."""

import base64
import hashlib
import hmac
import secrets
import threading

_LOG_N, _R, _P = 15, 8, 1  # 32 MiB and about 0.1 s for each guess
_MEMORY = 64 * 2**20
_LONGEST = 1024  # bytes of a password
_AT_ONCE = threading.BoundedSemaphore(2)  # hashes in work: guessing must not cost all memory


def hash_password(password: str) -> str:
    """A new hash. Raises ValueError when the password is empty or too long."""
    if not 0 < len(password.encode()) <= _LONGEST:
        raise ValueError(f"a password has 1 to {_LONGEST} bytes")
    salt = secrets.token_bytes(16)
    return "$".join(
        ["scrypt", str(_LOG_N), str(_R), str(_P), _text(salt), _text(_hash(password, salt))]
    )


def is_hash(stored: str) -> bool:
    """Whether it is a hash that `fits` can read, and no password that somebody wrote there."""
    try:
        kind, log_n, _, _, salt, wanted = stored.split("$")
        base64.b64decode(salt, validate=True)
        return kind == "scrypt" and int(log_n) <= 17 and bool(base64.b64decode(wanted))
    except ValueError:
        return False


def fits(password: str, stored: str) -> bool:
    """Whether the password has this hash; False for a hash that nobody can read."""
    data = password.encode("utf-8", "replace")
    try:
        kind, log_n, r, p, salt, wanted = stored.split("$")
        if kind != "scrypt" or len(data) > _LONGEST or int(log_n) > 17:
            return False
        with _AT_ONCE:
            found = hashlib.scrypt(
                data,
                salt=base64.b64decode(salt),
                n=2 ** int(log_n),
                r=int(r),
                p=int(p),
                maxmem=4 * _MEMORY,
                dklen=32,
            )
        return hmac.compare_digest(found, base64.b64decode(wanted))
    except ValueError:
        return False


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=2**_LOG_N, r=_R, p=_P, maxmem=_MEMORY, dklen=32
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


# Somebody without a name costs as long as somebody with one, so that names are not found by time.
# No password has this hash; to compute one would cost every start as much as a guess.
NOBODY = "$".join(
    ["scrypt", *map(str, (_LOG_N, _R, _P)), *map(_text, map(secrets.token_bytes, (16, 32)))]
)
