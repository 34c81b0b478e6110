# The compiled form of the classes that every request goes through; part of native.pyx. What they do, and why, is said in
# `server/header_lines.py`, `heads.py` and `answer_form.py`.


cdef bint _is_of_name(unsigned char c) noexcept:
    return c"a" <= c <= c"z" or c"A" <= c <= c"Z" or c"0" <= c <= c"9" or c == c"-" or c == c"_"


cdef class HeaderLines:
    cdef object _refused

    def __init__(self, refused):
        self._refused = refused

    def read(self, bytes lines not None):
        cdef const unsigned char* start = <const unsigned char*>PyBytes_AS_STRING(lines)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(lines)
        cdef Py_ssize_t at = 0, begin, length
        cdef int count = 0
        cdef char lower[64]
        cdef dict headers = {}
        while True:
            begin = at
            while at < size and at < begin + 64 and _is_of_name(start[at]):
                lower[at - begin] = start[at] | 0x20 if start[at] != c"_" else c"_"
                at += 1
            length = at - begin
            if not length or at + 2 >= size or start[at] != c":" or start[at + 1] != c" ":
                return None
            name = PyUnicode_DecodeASCII(lower, length, NULL)
            at += 2
            begin = at
            while at < size and 0x20 <= start[at] < 0x7F:
                at += 1
            if at == begin or start[begin] == c" " or start[at - 1] == c" ":
                return None
            headers[name] = PyUnicode_DecodeASCII(<const char*>start + begin, at - begin, NULL)
            count += 1
            if at == size:
                break
            if at + 2 > size or start[at] != c"\r" or start[at + 1] != c"\n":
                return None
            at += 2
        return headers if len(headers) == count <= 64 and self._refused.isdisjoint(headers) else None


cdef class KnownHead:
    cdef readonly bytes before
    cdef readonly bytes behind
    cdef readonly str path
    cdef readonly dict headers
    cdef readonly Py_ssize_t most_bytes

    def __init__(self, bytes before not None, bytes behind not None, str path not None, dict headers not None):
        self.before = before
        self.behind = behind
        self.path = path
        self.headers = headers
        self.most_bytes = len(before) + 20 + len(behind) + 4

    def write(self, Py_ssize_t length):
        return b"%b%d%b\r\n\r\n" % (self.before, length, self.behind)

    def body(self, bytes data not None):
        cdef const char* start = PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t before = PyBytes_GET_SIZE(self.before), behind = PyBytes_GET_SIZE(self.behind)
        cdef Py_ssize_t at = before, length = 0
        if size < before + behind + 5 or memcmp(start, PyBytes_AS_STRING(self.before), before):
            return None
        while at < size and at < before + 18 and c"0" <= start[at] <= c"9":
            length = 10 * length + start[at] - c"0"
            at += 1
        if at == before or (start[before] == c"0" and at > before + 1) or size - at - behind - 4 != length:
            return None
        if memcmp(start + at, PyBytes_AS_STRING(self.behind), behind) or memcmp(start + at + behind, b"\r\n\r\n", 4):
            return None
        return PyBytes_FromStringAndSize(start + size - length, length)


cdef char* _put_text(char* to, str text):
    """Writes text as a header may have it: each character is a byte."""
    cdef Py_ssize_t at, length = PyUnicode_GET_LENGTH(text)
    cdef bint controls = False
    cdef Py_UCS4 c
    if PyUnicode_IS_ASCII(text):
        memcpy(to, PyUnicode_1BYTE_DATA(text), length)
        for at in range(length):
            controls |= (<unsigned char>to[at] < 0x20) | (to[at] == 0x7F)
        if not controls:
            return to + length
    for at in range(length):
        c = PyUnicode_READ_CHAR(text, at)
        if c >= 0x80:
            c = c"?"
        elif (c < 0x20 and c != c"\t") or c == 0x7F:
            c = c" "
        to[at] = <char>c
    return to + length


cdef class AnswerForm:
    cdef tuple _fixed
    cdef Py_ssize_t _size

    def __init__(self, str first not None, names):
        lines = "".join([f"{name}: \0\r\n" for name in names])
        own = "" if "server" in names else "server: penstock\r\n"
        text = f"{first}\r\n{lines}{own}\0date: \0\r\ncontent-length: \0\r\n\r\n"
        self._fixed = tuple(text.encode().split(b"\0"))
        self._size = sum([len(piece) for piece in self._fixed])

    def write(self, dict headers not None, str lines not None, str date not None, bytes body not None):
        cdef char digits[24]
        cdef PyObject* value = NULL
        cdef Py_ssize_t at = 0, number = 0
        cdef Py_ssize_t length = PyBytes_GET_SIZE(body)
        cdef Py_ssize_t digits_at = _written(length, 10, digits)
        cdef bytes more = lines.encode()
        cdef Py_ssize_t size = self._size + len(more) + len(date) + 24 - digits_at + length
        if PyDict_Size(headers) != len(self._fixed) - 4:
            raise ValueError(f"{len(headers)} values are not of the size of the form")
        while PyDict_Next(headers, &at, NULL, &value):
            size += len(<str?><object>value)
        cdef bytes answer = PyBytes_FromStringAndSize(NULL, size)
        cdef char* to = PyBytes_AS_STRING(answer)
        at = 0
        while PyDict_Next(headers, &at, NULL, &value):
            to = _put_bytes(to, <bytes>self._fixed[number])
            to = _put_text(to, <str>value)
            number += 1
        to = _put_bytes(to, <bytes>self._fixed[number])
        to = _put_bytes(to, more)
        to = _put_bytes(to, <bytes>self._fixed[number + 1])
        to = _put_text(to, date)
        to = _put_bytes(to, <bytes>self._fixed[number + 2])
        to = _put(to, digits + digits_at, 24 - digits_at)
        to = _put_bytes(to, <bytes>self._fixed[number + 3])
        _put_bytes(to, body)
        return answer
