# Members of a JSON object, with a comma in front of each.


def write_key(page, key):
    page.put(b',"')
    page.put(key)
    page.put(b'":')


def write_stamp(page, reading, at):
    page.put(b'"')
    page.stamp(reading.telegram, at, reading.profile.winter_h)
    page.put(b'"')


def write_value(page, reading, submeter, key, stamp_key):
    if submeter.stamp_at is not None:
        write_key(page, stamp_key)
        write_stamp(page, reading, submeter.stamp_at)
    write_key(page, key)
    page.number(submeter.mantissa, submeter.decimals)
