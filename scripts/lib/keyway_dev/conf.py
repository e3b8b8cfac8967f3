"""Writes settings in libconfig syntax from Python values."""


def text(value):
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


def value(v, indent):
    pad = "\t" * indent
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int):
        return "%d%s" % (v, "L" if abs(v) > 0x7fffffff else "")
    if isinstance(v, str):
        return text(v)
    if isinstance(v, dict):
        return "{\n%s%s}" % (settings(v, indent + 1), pad)
    if isinstance(v, (list, tuple)):
        if not v:
            return "( )"
        return "(\n" + ",\n".join("%s\t%s" % (pad, value(x, indent + 1)) for x in v) + "\n%s)" % pad
    raise TypeError("no libconfig form for %r" % (v,))


def settings(d, indent=0):
    return "".join("%s%s = %s;\n" % ("\t" * indent, k, value(v, indent)) for k, v in d.items() if v is not None)


def merged(base, over):
    """base with over's values; groups are merged, None takes a key away."""
    out = dict(base)
    for k, v in over.items():
        if v is None:
            out.pop(k, None)
        elif isinstance(v, dict) and isinstance(out.get(k), dict):
            out[k] = merged(out[k], v)
        else:
            out[k] = v
    return out
