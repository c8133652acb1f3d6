"""The part of aravis that a camera needs, by its C interface: libaravis of the system, no wheel."""

from ctypes import (
    CDLL,
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_double,
    c_int,
    c_size_t,
    c_uint,
    c_uint64,
    c_void_p,
    string_at,
)
from ctypes.util import find_library
from typing import Any

from workers.camera.devices.device import DeviceLost
from workers.runtime.errors import SettingsError

_NOT_THERE = {2, 4, 5, 6, 10, 17, 18}  # connection, transfer, timeout, found, control, access, busy
_P, _S, _I, _U, _U64 = c_void_p, c_char_p, c_int, c_uint, c_uint64
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {  # name -> what it returns, what it takes
    "arv_update_device_list": (None, ()),
    "arv_get_n_devices": (_U, ()),
    "arv_get_device_id": (_S, (_U,)),
    "arv_get_device_vendor": (_S, (_U,)),
    "arv_get_device_model": (_S, (_U,)),
    "arv_get_device_protocol": (_S, (_U,)),
    "arv_device_error_quark": (_U, ()),
    "arv_buffer_new_allocate": (_P, (c_size_t,)),
    "arv_buffer_get_status": (_I, (_P,)),
    "arv_buffer_get_frame_id": (_U64, (_P,)),
    "arv_buffer_get_timestamp": (_U64, (_P,)),
    "arv_buffer_get_image_width": (_I, (_P,)),
    "arv_buffer_get_image_height": (_I, (_P,)),
    "arv_buffer_get_data": (_P, (_P, POINTER(c_size_t))),
    "arv_stream_push_buffer": (None, (_P, _P)),
    "arv_stream_timeout_pop_buffer": (_P, (_P, _U64)),
    "arv_camera_get_device": (_P, (_P,)),
    "arv_camera_is_gv_device": (_I, (_P,)),
    "arv_camera_create_chunk_parser": (_P, (_P,)),
    "arv_gv_device_is_controller": (_I, (_P,)),
    "arv_gv_device_set_stream_options": (None, (_P, _U)),
}
_FALLIBLE: dict[str, tuple[Any, tuple[Any, ...]]] = {  # the same; a GError** is behind the rest
    "arv_camera_new": (_P, (_S,)),
    "arv_camera_create_stream": (_P, (_P, _P, _P)),
    "arv_camera_get_payload": (_U, (_P,)),
    "arv_camera_get_pixel_format_as_string": (_S, (_P,)),
    "arv_camera_set_exposure_time": (None, (_P, c_double)),
    "arv_camera_set_gain": (None, (_P, c_double)),
    "arv_camera_set_region": (None, (_P, _I, _I, _I, _I)),
    "arv_camera_set_trigger": (None, (_P, _S)),
    "arv_camera_set_chunks": (None, (_P, _S)),
    "arv_camera_start_acquisition": (None, (_P,)),
    "arv_camera_stop_acquisition": (None, (_P,)),
    "arv_camera_software_trigger": (None, (_P,)),
    "arv_device_is_feature_available": (_I, (_P, _S)),
    "arv_device_set_features_from_string": (None, (_P, _S)),
    "arv_device_get_integer_feature_value": (_U64, (_P, _S)),
    "arv_device_get_boolean_feature_value": (_I, (_P, _S)),
    "arv_device_get_string_feature_value": (_S, (_P, _S)),
    "arv_device_execute_command": (None, (_P, _S)),
    "arv_chunk_parser_get_integer_value": (_U64, (_P, _P, _S)),
}


class _Error(Structure):
    """GError."""

    _fields_ = (("domain", c_uint), ("code", c_int), ("message", c_char_p))


class NotInstalled(SettingsError):
    """The system has no libaravis."""


class Refused(Exception):
    """The device, or its description, does not take what it was told."""


class Aravis:
    """The library's functions, by their names without `arv_`: text in and out, errors raised."""

    def __init__(self) -> None:
        """Raises NotInstalled."""
        file = find_library("aravis-0.8")
        if file is None:
            raise NotInstalled(
                "camera.source: aravis is not installed: apt-get install libaravis-0.8-0, or "
                "what your system calls it"
            )
        self._library = CDLL(file)
        self._glib = CDLL(find_library("gobject-2.0"))
        for function in (self._glib.g_object_unref, self._glib.g_error_free):
            function.argtypes, function.restype = (c_void_p,), None
        for name, (returns, takes) in _FUNCTIONS.items():
            self._declare(name, returns, takes)
        for name, (returns, takes) in _FALLIBLE.items():
            self._declare(name, returns, (*takes, POINTER(POINTER(_Error))))
        self._quark = self._library.arv_device_error_quark()

    def _declare(self, name: str, returns: Any, takes: tuple[Any, ...]) -> None:
        function = getattr(self._library, name)
        function.restype, function.argtypes = returns, takes

    def __getattr__(self, short: str) -> Any:
        name = f"arv_{short}"
        return lambda *given: self._call(name, *given)

    def _call(self, name: str, *given: Any) -> Any:
        """Raises DeviceLost, Refused."""
        told = [each.encode() if isinstance(each, str) else each for each in given]
        if name in _FUNCTIONS:
            return _text(getattr(self._library, name)(*told))
        error = POINTER(_Error)()
        found = getattr(self._library, name)(*told, byref(error))
        if error:
            self._fail(error)
        return _text(found)

    def _fail(self, error: Any) -> None:
        domain, code = error.contents.domain, error.contents.code
        message = error.contents.message.decode(errors="replace")
        self._glib.g_error_free(error)
        raise (
            DeviceLost(message)
            if domain == self._quark and code in _NOT_THERE
            else Refused(message)
        )

    def data(self, buffer: int) -> bytes:
        """A copy of what a buffer holds."""
        size = c_size_t()
        at = self._library.arv_buffer_get_data(buffer, byref(size))
        return string_at(at, size.value)

    def set_number(self, thing: int, name: str, number: int) -> None:
        """A property of a stream."""
        self._glib.g_object_set(c_void_p(thing), name.encode(), c_int(number), c_void_p())

    def release(self, thing: int | None) -> None:
        """Give a camera, stream or buffer back."""
        if thing:
            self._glib.g_object_unref(thing)


def _text(found: Any) -> Any:
    return found.decode(errors="replace") if isinstance(found, bytes) else found
