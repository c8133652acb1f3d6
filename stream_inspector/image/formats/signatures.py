"""What bytes that are no picture of ours are instead, by how they begin: said in errors only."""

_BRAND, _BRANDS = slice(4, 8), slice(8, 12)
_HEIF = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
_BEGINS = (
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x93NUMPY", "an array of numpy, which is called .npy"),
    (b"version https://git-lfs", "a pointer of Git LFS: `git lfs pull` fetches the picture"),
)
_MARKUP = (b"<html", b"<!doctype", b"<svg", b"<?xml")


def looks_like(data: bytes) -> str:
    """What the first bytes of unreadable data say that it is; empty when they say nothing."""
    if data[_BRAND] == b"ftyp":
        return _of_brand(data[_BRANDS])
    if data[:4] == b"RIFF" and data[_BRANDS] == b"WEBP":
        return "WebP"
    if data[:512].lstrip().lower().startswith(_MARKUP):
        return "a page of markup, not a picture (an error of a web server, perhaps)"
    if data and not any(data[:4096]):
        return "nothing but zeros, as a copy leaves them that broke off"
    return next((what for begin, what in _BEGINS if data.startswith(begin)), "")


def is_heic(data: bytes) -> bool:
    """Whether a file is a picture as phones save them, whatever it is called."""
    return data[_BRAND] == b"ftyp" and data[_BRANDS] in _HEIF


def _of_brand(brand: bytes) -> str:
    if brand in _HEIF:
        return "HEIC, as phones save pictures"
    return "AVIF" if brand == b"avif" else "a film"
