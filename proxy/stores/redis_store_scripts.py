"""The Lua scripts of the response store in Redis: each does one thing, and nothing comes in between.

`KEYS[1]` is what all keys begin with, in one hash tag. `r:ID` is an entry: a hash of its owner (`o`), end (`e`), size
(`z`), parent (`p`), items that are found by their ids (`i`), the length and end of its log (`b`, `u`), and all of it
(`d`). `l:ID` is its log. `i:OWNER:ITEM` are the entries that have an item, by the order of their puts; so are `order`,
of those that are finished, and `logs`. `ends` and `logends` have entries and logs by their ends, `held` those that are
not finished, with whoever works on them. `sums` says how many there are, of how many bytes, and numbers the puts.
"""

from __future__ import annotations

_BEGIN = """
local base, now = KEYS[1], tonumber(ARGV[1])
local function item_key(owner, item) return base .. 'i:' .. #owner .. ':' .. owner .. ':' .. item end
local function forget_log(id)
  local length = tonumber(redis.call('HGET', base .. 'r:' .. id, 'b') or '0')
  redis.call('DEL', base .. 'l:' .. id)
  redis.call('HSET', base .. 'r:' .. id, 'b', 0)
  redis.call('ZREM', base .. 'logs', id)
  redis.call('ZREM', base .. 'logends', id)
  redis.call('HINCRBY', base .. 'sums', 'bytes', 0 - length)
end
local function forget(id)
  local found = redis.call('HMGET', base .. 'r:' .. id, 'z', 'o', 'i')
  if not found[1] then return end
  forget_log(id)
  for _, item in ipairs(cmsgpack.unpack(found[3])) do redis.call('ZREM', item_key(found[2], item), id) end
  redis.call('DEL', base .. 'r:' .. id)
  redis.call('ZREM', base .. 'order', id)
  redis.call('ZREM', base .. 'ends', id)
  redis.call('HDEL', base .. 'held', id)
  redis.call('HINCRBY', base .. 'sums', 'bytes', 0 - found[1])
  redis.call('HINCRBY', base .. 'sums', 'entries', -1)
end
local function sweep(most)
  local ended = redis.call('ZRANGEBYSCORE', base .. 'ends', '-inf', ARGV[1], 'LIMIT', 0, most)
  for _, id in ipairs(ended) do forget(id) end
  local logs = redis.call('ZRANGEBYSCORE', base .. 'logends', '-inf', ARGV[1], 'LIMIT', 0, most)
  for _, id in ipairs(logs) do forget_log(id) end
  return math.max(#ended, #logs)
end
local function sum(name) return tonumber(redis.call('HGET', base .. 'sums', name) or '0') end
local function first(name) return redis.call('ZRANGE', base .. name, 0, 0)[1] end
local function seen(id, owner)
  local found = redis.call('HMGET', base .. 'r:' .. id, 'o', 'e')
  return found[1] == owner and tonumber(found[2]) > now
end
"""

PUT = (
    _BEGIN
    + """
local id, owner, ends, size = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local parent, items, data, holder = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local log, log_ends, max_entries, max_bytes = ARGV[10], ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13])
forget(id)
local number = redis.call('HINCRBY', base .. 'sums', 'number', 1)
redis.call('HSET', base .. 'r:' .. id, 'o', owner, 'e', ends, 'z', size, 'p', parent, 'i', items, 'd', data,
  'b', #log, 'u', log_ends)
redis.call('ZADD', base .. 'ends', ends, id)
for _, item in ipairs(cmsgpack.unpack(items)) do redis.call('ZADD', item_key(owner, item), number, id) end
if holder == '' then
  redis.call('ZADD', base .. 'order', number, id)
else
  redis.call('HSET', base .. 'held', id, holder)
  redis.call('SET', base .. 'h:' .. holder, '', 'EX', 60)
end
if log ~= '' then
  redis.call('SET', base .. 'l:' .. id, log)
  redis.call('ZADD', base .. 'logs', number, id)
  redis.call('ZADD', base .. 'logends', log_ends, id)
end
redis.call('HINCRBY', base .. 'sums', 'entries', 1)
redis.call('HINCRBY', base .. 'sums', 'bytes', size + #log)
sweep(64)
local function forget_oldest()
  local oldest = first('order')
  if not oldest or oldest == id then return false end
  forget(oldest)
  return true
end
while sum('entries') > max_entries and forget_oldest() do end
while sum('bytes') > max_bytes do
  local oldest = first('logs')
  if oldest and oldest ~= id then
    forget_log(oldest)
  elseif not forget_oldest() then
    break
  end
end
"""
)
"""Keeps an entry: now, id, owner, end, size, parent or '', ids of items, all of it, holder or '', log, its end,
and both bounds."""

GET = _BEGIN + "if seen(ARGV[2], ARGV[3]) then return redis.call('HGET', base .. 'r:' .. ARGV[2], 'd') end"
"""Returns an entry: now, id, owner."""

DELETE = (
    _BEGIN
    + """
if not seen(ARGV[2], ARGV[3]) then return 0 end
local holder = redis.call('HGET', base .. 'held', ARGV[2])
if holder and holder ~= ARGV[4] and redis.call('EXISTS', base .. 'h:' .. holder) == 1 then return 2 end
forget(ARGV[2])
return 1
"""
)
"""Forgets an entry: now, id, owner, who asks. Tells whether there was one; 2 when another process works on it, which
would put it again."""

CHAIN = (
    _BEGIN
    + """
local line, known, id = {}, {}, ARGV[2]
while id ~= '' do
  if known[id] or not seen(id, ARGV[3]) then return false end
  known[id] = true
  local found = redis.call('HMGET', base .. 'r:' .. id, 'd', 'p')
  line[#line + 1] = found[1]
  id = found[2]
end
return line
"""
)
"""Returns an entry and all before it, it first, or nothing: now, id, owner."""

HOLDERS = (
    _BEGIN
    + """
local found = {}
for at = 3, #ARGV do
  local holders = redis.call('ZREVRANGE', item_key(ARGV[2], ARGV[at]), 0, 15)
  found[at - 2] = ''
  for _, id in ipairs(holders) do
    if seen(id, ARGV[2]) then
      found[at - 2] = id
      break
    end
  end
end
return found
"""
)
"""Returns for each item the entry put last that has it, or '': now, owner, ids of items."""

LOG = (
    _BEGIN
    + """
if not seen(ARGV[2], ARGV[3]) then return '' end
if tonumber(redis.call('HGET', base .. 'r:' .. ARGV[2], 'u')) <= now then return '' end
return redis.call('GET', base .. 'l:' .. ARGV[2]) or ''
"""
)
"""Returns an event log or '': now, id, owner."""

SWEEP = _BEGIN + "return sweep(tonumber(ARGV[2]))"
"""Forgets what has ended: now, how many at most. Returns of what there were more, entries or logs."""

ABANDONED = (
    _BEGIN
    + """
local found, alive = {}, {}
local held = redis.call('HGETALL', base .. 'held')
for at = 1, #held, 2 do
  local id, holder = held[at], held[at + 1]
  if alive[holder] == nil then alive[holder] = redis.call('EXISTS', base .. 'h:' .. holder) == 1 end
  if not alive[holder] and tonumber(redis.call('HGET', base .. 'r:' .. id, 'e')) > now then
    found[#found + 1] = redis.call('HGET', base .. 'r:' .. id, 'd')
  end
end
return found
"""
)
"""Returns the entries that are not finished and whose holder is gone: now."""
