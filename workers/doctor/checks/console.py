"""The console: who may do what, what it keeps, and how far it has read."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from workers.console.access.passwords import is_hash
from workers.console.history.looking import Held
from workers.console.settings import AccessSettings, ConsoleSettings, ProxySettings
from workers.doctor.findings import Finding, failed, ok, or_ok, warning

_HASH = "let `stream-inspector console-password` make one"
_EVERYBODY = 8  # bits of a network's prefix: fewer name half of the world
_MUCH = 10_000  # records that wait to be read


def judge_access(console: ConsoleSettings) -> list[Finding]:
    """Somebody may look, somebody may judge, and nobody who should not."""
    access = console.access
    problems = [*_hashes(access), *_proxy(access.proxy), _nobody(access), _open(console)]
    told = f"{len(access.users)} users, {len(access.proxy.trusted)} trusted proxies"
    return or_ok([*problems, _readable(console)], told)


def _hashes(access: AccessSettings) -> Iterator[Finding]:
    for name, user in access.users.items():
        if not is_hash(user.password_hash.get_secret_value()):
            says = f"{name} cannot log in: password_hash is no hash"
            yield failed(says, _HASH, f"console.access.users.{name}.password_hash")


def _proxy(proxy: ProxySettings) -> Iterator[Finding]:
    setting = "console.access.proxy"
    for network in proxy.trusted:
        if network.prefixlen < _EVERYBODY:
            says = f"{network} is everybody: who sends {proxy.user_header} is believed to be it"
            yield failed(
                says, "name the proxy's own address, e.g. 10.0.0.7/32", f"{setting}.trusted"
            )
        elif network.num_addresses > 1:
            says = f"all of {network} may say who they are"
            yield warning(says, "name the proxy's own address", f"{setting}.trusted")
    if proxy.trusted and not (proxy.viewers or proxy.operators or proxy.engineers):
        says = "no group of the proxy may do anything"
        yield warning(says, 'name groups; "*" is everybody', f"{setting}.viewers")


def _nobody(access: AccessSettings) -> Finding | None:
    proxy = access.proxy
    looks = access.users or access.read_without_login or proxy.trusted
    if not looks:
        return failed("nobody may look", f"name users; {_HASH}", "console.access.users")
    judges = any(user.role != "viewer" for user in access.users.values())
    if not judges and not (proxy.trusted and (proxy.operators or proxy.engineers)):
        return warning(
            "nobody may judge", "give somebody the role operator", "console.access.users"
        )
    return None


def _is_local(console: ConsoleSettings) -> bool:
    try:
        return ip_address(console.host.strip("[]")).is_loopback
    except ValueError:
        return console.host == "localhost"


def _open(console: ConsoleSettings) -> Finding | None:
    if _is_local(console) or not console.access.read_without_login:
        return None
    says = f"whoever reaches {console.host} port {console.port} may look at all of it"
    do = "see that only those who may look do, or set it to false"
    return warning(says, do, "console.access.read_without_login")


def _readable(console: ConsoleSettings) -> Finding | None:
    if _is_local(console) or console.secure or not console.access.users:
        return None
    do = "give a certificate, or set console.https behind a proxy that speaks HTTPS"
    return warning("passwords travel readable", do, "console.certificate_file")


def judge_history(held: Held, where: str) -> list[Finding]:
    """Whether reading goes on with what is there."""
    if held.version is None:
        return [ok(f"{where} can be used; there is no history yet")]
    if not held.is_ours:
        says = f"the history of {where} is of version {held.version}"
        do = "nothing, where the topics go back as far as you want: it is made anew from them"
        return [warning(says, do, "console.database")]
    return [ok(f"{where} holds a history of {len(held.positions)} topics")]


def judge_read(
    topic: str, at: Mapping[int, int] | None, written: Mapping[int, tuple[int, int]]
) -> list[Finding]:
    """How far a topic is read: `written` per partition, the first offset left and the next one."""
    if at is None:
        return [ok("not read yet: it begins with what the topic keeps")]
    behind = sum(max(0, end - at.get(index, first)) for index, (first, end) in written.items())
    gone = sum(max(0, written[index][0] - n) for index, n in at.items() if index in written)
    problems = [_lost(topic, gone), _again(at, written), _behind(behind)]
    return or_ok(problems, f"{behind} records wait to be read")


def _lost(topic: str, gone: int) -> Finding | None:
    if not gone:
        return None
    says = f"{gone} records went from {topic} before they were read"
    return warning(says, "let the console run, or keep the topic longer", "console.keep_days")


def _again(at: Mapping[int, int], written: Mapping[int, tuple[int, int]]) -> Finding | None:
    if all(n <= written[index][1] for index, n in at.items() if index in written):
        return None
    says = "the history is ahead of the topic, which was made anew"
    do = "remove the console's database, which is then made from the new topics"
    return failed(says, do, "console.database")


def _behind(records: int) -> Finding | None:
    if records <= _MUCH:
        return None
    says = f"{records} records wait to be read: pages are old"
    return warning(says, "see that a console runs, and its log", "console.database")
