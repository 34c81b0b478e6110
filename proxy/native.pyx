# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled form of the classes that every delta goes through, and (`native_requests.pxi`) every request. What they
do, and why, is said where they are written in Python: `upstream/receiver.py`, `shortcut.py`, `metrics/pulse.py`,
`providers/chat/string_frame.py`, `api/responses/flow.py` and `numbers.py`, `server/chunk_writer.py`. Each has the name
and the interface of the one it stands for.

What is gained: no frame of Python between a read and its write, and no copy of what is not new. A piece of text without
escapes is JSON already: its bytes go from the chunk to the event as they are.
"""

import asyncio
from bisect import bisect_left

import msgspec

from proxy.chunks import LONGEST
from proxy.metrics.family import GAPS

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next, PyDict_Size
from cpython.list cimport PyList_Append
from cpython.ref cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8, PyUnicode_GET_LENGTH, PyUnicode_READ_CHAR
from libc.math cimport INFINITY
from libc.string cimport memcmp, memcpy

cdef extern from *:
    """
    #ifndef __GNUC__
    #define __builtin_prefetch(address)
    #endif
    """
    void __builtin_prefetch(const void*) noexcept
    const char* PENSTOCK_SOURCE
    bint PyUnicode_IS_ASCII(object text)
    void* PyUnicode_1BYTE_DATA(object text)

SOURCE = PENSTOCK_SOURCE.decode()
"""A digest of this file, as it was when it was compiled."""

cdef object _encode = msgspec.json.encode
cdef object _decode_string = msgspec.json.Decoder(str).decode
cdef tuple _UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
cdef Py_ssize_t _LONGEST = LONGEST
cdef tuple _GAPS = GAPS
cdef const char* _DIGITS = b"0123456789abcdef"


cdef struct Span:  # bytes within a read, which lives as long as it is looked at
    const char* start
    Py_ssize_t size


cdef bint _body(bytes read, Span* body) noexcept:
    """Finds the body of a read that is exactly one chunk, shorter than LONGEST."""
    cdef const char* start = PyBytes_AS_STRING(read)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(read)
    cdef Py_ssize_t size = 0, at = 0
    cdef int letters = 0  # of one case: 1 lower, 2 upper
    cdef char c
    if length >= _LONGEST:
        return False
    while at < length and at < 4:
        c = start[at]
        if c"0" <= c <= c"9":
            size = 16 * size + c - c"0"
        elif c"a" <= c <= c"f":
            size = 16 * size + c - c"a" + 10
            letters |= 1
        elif c"A" <= c <= c"F":
            size = 16 * size + c - c"A" + 10
            letters |= 2
        else:
            break
        at += 1
    if at == 0 or size == 0 or start[0] == c"0" or letters == 3 or length != at + size + 4:
        return False
    body.start = start + at + 2
    body.size = size
    return (
        start[at] == c"\r" and start[at + 1] == c"\n" and start[length - 2] == c"\r" and start[length - 1] == c"\n"
    )


cdef bint _is_quoted(const char* string, Py_ssize_t size) noexcept:
    return size >= 2 and string[0] == c'"' and string[size - 1] == c'"'


cdef bint _is_plain(const char* string, Py_ssize_t size) noexcept:
    """Tells whether that is one JSON string, in its quotes, without an escape."""
    cdef Py_ssize_t at
    cdef unsigned char c
    if not _is_quoted(string, size):
        return False
    for at in range(1, size - 1):
        c = string[at]
        if c < 32 or c == c'"' or c == c"\\":
            return False
    return True


cdef Py_ssize_t _written(Py_ssize_t number, int base, char* digits) noexcept:
    """Writes a number to the end of 24 bytes; returns where it begins."""
    cdef Py_ssize_t at = 24
    while True:
        at -= 1
        digits[at] = _DIGITS[number % base]
        number //= base
        if number == 0:
            return at


cdef void _fetch(void* start, Py_ssize_t size) noexcept:
    """Has the caches filled with what is there, if anything is; waits for nothing."""
    cdef Py_ssize_t at
    for at in range(0, size, 64):
        __builtin_prefetch(<char*>start + at)


cdef char* _put(char* to, const char* data, Py_ssize_t size) noexcept:
    memcpy(to, data, size)
    return to + size


cdef char* _put_bytes(char* to, bytes data) noexcept:
    return _put(to, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef class Receiver:
    cdef public object shortcut
    cdef public bint between
    cdef public double last

    def data_received(self, data):
        cdef double now
        if self.between:
            shortcut = self.shortcut  # held, for what it calls may take it from here
            if shortcut is not None:
                if type(shortcut) is Shortcut:
                    (<Shortcut>shortcut).fetch()
                    now = (<Shortcut>shortcut).taken(<bytes?>data)
                else:
                    now = shortcut.take(data)
                if now:
                    self.last = now
                    return
            self.between = False
        self.read(data)

    def read(self, data):
        raise NotImplementedError


cdef class StringFrame:
    cdef public bytes prefix
    cdef public bytes suffix
    cdef public list kept
    cdef public bint seen

    def __init__(self):
        self.suffix = b""

    cdef bint find(self, Span body, Span* string) noexcept:
        """Finds what stands between prefix and suffix."""
        if self.prefix is None:
            return False
        cdef Py_ssize_t before = PyBytes_GET_SIZE(self.prefix), behind = PyBytes_GET_SIZE(self.suffix)
        if body.size < before + behind:
            return False
        string.start = body.start + before
        string.size = body.size - before - behind
        return not (
            memcmp(body.start, PyBytes_AS_STRING(self.prefix), before)
            or memcmp(string.start + string.size, PyBytes_AS_STRING(self.suffix), behind)
        )

    cdef str decoded(self, Span string, bint* plain):
        """Returns what a string says, "" for none; tells whether its bytes are what is written for it, too."""
        plain[0] = _is_plain(string.start, string.size)
        if not plain[0] and not _is_quoted(string.start, string.size):
            return ""
        try:
            if plain[0]:
                text = PyUnicode_DecodeUTF8(string.start + 1, string.size - 2, NULL)
            else:
                text = _decode_string(PyBytes_FromStringAndSize(string.start, string.size))
        except _UNREADABLE:
            return ""
        self.seen = True
        if self.kept is not None and text:
            PyList_Append(self.kept, text)
        return text

    def text(self, bytes read not None):
        cdef Span body, string
        cdef bint plain
        body.start = PyBytes_AS_STRING(read)
        body.size = PyBytes_GET_SIZE(read)
        return self.decoded(string, &plain) if self.find(body, &string) else ""


cdef class Numbers:
    cdef public Py_ssize_t next


cdef class Flow:
    cdef Numbers _numbers
    cdef tuple _lists
    cdef bytes _head, _place, _tail
    cdef Py_ssize_t _size
    cdef readonly object what
    cdef readonly object kind
    cdef readonly tuple around
    cdef public list entries

    def __init__(self, Numbers numbers not None, entries):
        self._numbers = numbers
        self.entries = entries
        self.around = (b"", b"", b"", 0)

    def open(self, what, kind, tuple lists not None, tuple around not None):
        cdef bytes head, place, tail
        head, place, tail, size = around
        if size != len(head) + len(place) + len(tail) - 2:
            raise ValueError(f"{size} bytes is not what stands around a delta")
        self.what = what
        self.kind = kind
        self._lists = lists
        self.around = around
        self._head, self._place, self._tail, self._size = head, place, tail, size

    def close(self):
        self.what = self.kind = None

    def piece(self, str text not None):
        cdef bytes string
        if self.what is None:
            return b""
        string = _encode(text)
        return self.written(text, PyBytes_AS_STRING(string), PyBytes_GET_SIZE(string))

    cdef bytes written(self, str text, const char* string, Py_ssize_t size):
        """Writes the delta of a text, of which the JSON is known."""
        cdef char number_digits[24]
        cdef char size_digits[24]
        cdef Py_ssize_t number = self._numbers.next
        self._numbers.next = number + 1
        for texts in self._lists:
            PyList_Append(<list?>texts, text)
        if self.entries is not None:
            PyList_Append(self.entries, text)
        cdef Py_ssize_t number_at = _written(number, 10, number_digits)
        cdef Py_ssize_t length = self._size + 24 - number_at + size
        cdef Py_ssize_t size_at = _written(length, 16, size_digits)
        cdef bytes chunk = PyBytes_FromStringAndSize(NULL, 24 - size_at + 2 + length + 2)
        cdef char* to = PyBytes_AS_STRING(chunk)
        to = _put(to, size_digits + size_at, 24 - size_at)
        to = _put(to, b"\r\n", 2)
        to = _put_bytes(to, self._head)
        to = _put(to, number_digits + number_at, 24 - number_at)
        to = _put_bytes(to, self._place)
        to = _put(to, string, size)
        _put_bytes(to, self._tail)  # with the end of the frame
        return chunk


cdef class ChunkWriter:
    cdef public object transport
    cdef public Py_ssize_t quiet

    cpdef void send(self, bytes chunk) except *:
        if self.transport is not None:
            self.quiet = 0
            self.transport.write(chunk)


cdef class Pulse:
    cdef list _counts
    cdef Py_ssize_t _at, _same
    cdef double _lower, _upper  # no gap is between them at first
    cdef public double began
    cdef public double last

    def begin(self, double now):
        self.began = self.last = now

    cpdef beat(self, double now):
        cdef double gap = now - self.last
        self.last = now
        if self._lower < gap <= self._upper:
            self._same += 1
        else:
            self._move(gap)

    def counts(self):
        self._add()
        return self._counts

    cdef _add(self):
        if self._counts is not None:
            self._counts[self._at] += self._same
            self._same = 0

    cdef _move(self, double gap):
        if self._counts is None:
            self._counts = [0] * (len(_GAPS) + 1)
        self._add()
        self._at = bisect_left(_GAPS, gap)
        self._lower = _GAPS[self._at - 1] if self._at else -1.0
        self._upper = _GAPS[self._at] if self._at < len(_GAPS) else INFINITY
        self._same = 1


cdef class Shortcut:
    cdef object _exchange, _pulse, _side, _translation, _pump, _now
    cdef tuple _on_text
    cdef bint _stopped
    cdef object _text_of, _event_of, _piece, _send
    cdef StringFrame _frame  # whose method `_text_of` is; None where it is another's, and so on
    cdef Flow _flow
    cdef ChunkWriter _writer

    def __init__(self, exchange, side, translation, pump):
        self._exchange = exchange
        self._pulse = exchange.pulse
        self._side = side
        self._translation = translation
        self._pump = pump
        self._now = asyncio.get_running_loop().time
        self._on_text = tuple([one.on_text for one in translation.filters])
        self._text_of = translation.text_of
        self._event_of = translation.event_of
        self._piece = side.get_encoder().piece
        self._send = side.stream.send
        self._frame = _owner(self._text_of, StringFrame)
        self._flow = _owner(self._piece, Flow)
        self._writer = _owner(self._send, ChunkWriter)

    def stop(self):
        self._stopped = True

    def take(self, bytes read not None):
        return self.taken(read)

    cdef void fetch(self) noexcept:
        """Asks memory for all that a piece will need at once: since the last one others have used the caches."""
        _fetch(<void*>self._writer, 64)
        if self._frame is not None and self._flow is not None:
            _fetch(<void*>self._frame, 64)
            _fetch(<void*>self._flow, 128)
            _fetch(<void*>self._frame.prefix, 256)
            _fetch(<void*>self._frame.suffix, 64)
            _fetch(<void*>self._flow._numbers, 64)
            _fetch(<void*>self._flow._lists, 64)
            _fetch(<void*>self._flow.entries, 64)
            _fetch(<void*>self._flow._place, 128)
        if self._writer is not None:
            _fetch(<void*>self._writer.transport, 256)

    cdef double taken(self, bytes read) except? -1:
        cdef Span body, string
        cdef bint plain = False
        cdef str text
        cdef bytes chunk
        cdef double now
        if self._stopped or not _body(read, &body):
            return 0.0
        if self._frame is not None:
            text = self._frame.decoded(string, &plain) if self._frame.find(body, &string) else ""
        else:
            text = self._text_of(PyBytes_FromStringAndSize(body.start, body.size))
        if not text:
            return 0.0
        now = self._now()
        try:
            if self._on_text and not self._let_through(text):
                return now
            if not plain or self._flow is None:
                chunk = self._piece(text)
            else:
                chunk = b"" if self._flow.what is None else self._flow.written(text, string.start, string.size)
            if not chunk:
                self._detour(len(self._on_text), text)
                return now
        except Exception as error:
            self._pump.broke(error)
            return now
        if type(self._pulse) is Pulse:
            (<Pulse>self._pulse).beat(now)
        elif self._pulse is not None:
            self._pulse.beat(now)
        if self._writer is not None:
            self._writer.send(chunk)
        else:
            self._send(chunk)
        return now

    cdef bint _let_through(self, str text) except -1:
        cdef Py_ssize_t number = 0
        for on_text in self._on_text:
            if not on_text(self._exchange, text):
                self._detour(number, text)
                return False
            number += 1
        return True

    cdef _detour(self, Py_ssize_t number, str text):
        out = self._translation.from_filter(number, [self._event_of(text)])
        if out:
            self._side.write(out)
        if self._translation.done:
            self._pump.complete()


cdef object _owner(method, kind):
    """Returns whose method that is, where it is one of the compiled form's own; else None."""
    owner = getattr(method, "__self__", None)
    return owner if isinstance(owner, kind) else None


include "native_requests.pxi"
