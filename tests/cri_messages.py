# SPDX-License-Identifier: Apache-2.0
"""Messages of Kubernetes' container runtime interface, as far as tests need them: made and taken
apart by the numbers of their fields."""

POD_LABELS = ("io.kubernetes.pod.name", "io.kubernetes.pod.namespace", "io.kubernetes.pod.uid")


def varint(number):
    encoded = b""
    while number > 0x7F:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def field(number, value):
    """One field: a number, a text, or the bytes of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    encoded = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(encoded)) + encoded


def read_varint(encoded, at):
    value = shift = 0
    while True:
        byte = encoded[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(message):
    """The last value of each field; of a number, or bytes."""
    found, at = {}, 0
    while at < len(message):
        key, at = read_varint(message, at)
        value, at = read_varint(message, at)
        if key & 7 == 2:
            value, at = message[at : at + value], at + value
        found[key >> 3] = value
    return found


def labels(number, values):
    return b"".join(field(number, field(1, key) + field(2, text)) for key, text in values.items())


def metadata(name, attempt):
    return field(1, name) + field(2, attempt)


def listed_container(container_id, name, pod, attempt=0):
    """A field of a ListContainersResponse; `pod`: its name, namespace and uid."""
    return field(
        1,
        field(1, container_id)
        + field(2, "5a" * 32)
        + field(3, metadata(name, attempt))
        + field(4, field(1, "registry.example/front:1"))
        + field(6, 1)
        + field(7, 1_700_000_000_000_000_000)
        + labels(8, dict(zip(POD_LABELS, pod))),
    )
