# Writes members of a JSON object, each with a comma before it.


def write_key(page, key: bytes) -> None:
    page.put(b',"')
    page.put(key)
    page.put(b'":')


def write_stamp(page, reading, at: int) -> None:
    page.put(b'"')
    page.stamp(reading.telegram, at, reading.profile.winter_h)
    page.put(b'"')


def write_value(page, reading, submeter, key: bytes, stamp_key: bytes) -> None:
    if submeter.stamp_at is not None:
        write_key(page, stamp_key)
        write_stamp(page, reading, submeter.stamp_at)
    write_key(page, key)
    page.number(submeter.mantissa, submeter.decimals)
