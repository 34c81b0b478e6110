"""The Lua scripts of the Redis counters: one for each decision, so that nothing comes between looking and taking.

A counter is a hash: what was used by number of the slot, what is held, and what it is called when it is shown. What one
decision holds is a record: a hash of amounts by counter. All records are in one sorted set by the end of their leases;
whoever comes by gives back those that have ended. A record that was settled says so for a while, so that settling it
again does nothing. The arithmetic is that of `cells`; amounts stay below 2^53, where Lua's numbers are exact.

All keys have one hash tag, for a decision over several of them must find them on one node of a cluster.
"""

from __future__ import annotations

_BEGIN = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
-- days, weeks and months (-1, -2, -3 for the length of a slot) are numbered as in `periods`, times the ring
local function month_of(day)
  local z = day + 719468
  local era = math.floor(z / 146097)
  local of_era = z - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  -- of a year that begins in March
  return (year + era * 400 - 1970) * 12 + math.floor((5 * of_year + 2) / 153) + 2
end
local function first_day(month)
  local year, of_march = math.floor((month - 2) / 12) + 1970, (month - 2) % 12
  local era = math.floor(year / 400)
  local of_era = year - era * 400
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100)
    + math.floor((153 * of_march + 2) / 5) - 719468
end
local function slot_of(length, moment)
  if length > 0 then return math.floor(moment / length) end
  local day = math.floor(moment / 86400000000)
  if length == -1 then return day * 31 end
  if length == -2 then return math.floor((day - 4) / 7) * 31 end
  return month_of(day) * 31
end
local function leaves(length, slot)
  if length > 0 then return (slot + 31) * length end
  local following = slot / 31 + 1
  if length == -2 then following = following * 7 + 4 end
  if length == -3 then following = first_day(following) end
  return following * 86400000000
end
local function whole(number) return string.format('%.0f', number) end
local function release(counter, amount)
  local held = tonumber(redis.call('HGET', counter, 'held') or '0')
  if held > 0 then redis.call('HINCRBY', counter, 'held', whole(-math.min(held, tonumber(amount)))) end
end
local function give_back(record)
  local flat = redis.call('HGETALL', record)
  for at = 1, #flat, 2 do
    if flat[at] ~= ':who' then release(flat[at], flat[at + 1]) end
  end
  redis.call('DEL', record)
end
local function reap(most)
  for _, record in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'LIMIT', 0, most)) do
    give_back(record)
    redis.call('HSET', record, ':done', 'expired')
    redis.call('PEXPIRE', record, 3600000)
    redis.call('ZREM', KEYS[1], record)
  end
end
"""

RESERVE = (
    _BEGIN
    + """
-- KEYS: the leases, the record, the counters
-- ARGV: now or '', lease, who; for each counter: kind, most, amount, length of a slot, milliseconds to keep it
reap(20)
if redis.call('HEXISTS', KEYS[2], ':done') == 1 then return {} end

local refused, out, slots = 0, {}, {}
for i = 3, #KEYS do
  local a = 4 + (i - 3) * 5
  local most, amount, length = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  local slot = slot_of(length, now)
  slots[i] = whole(slot)
  local used, held, last, counts, gone = 0, 0, -1, {}, {}
  local flat = redis.call('HGETALL', KEYS[i])
  for at = 1, #flat, 2 do
    local number = tonumber(flat[at])
    if not number then
      if flat[at] == 'held' then held = tonumber(flat[at + 1]) end
    elseif number <= slot - 31 or number >= slot + 31 then
      gone[#gone + 1] = flat[at]
    else
      local count = tonumber(flat[at + 1])
      used = used + count
      if count > 0 then
        counts[#counts + 1] = {number, count}
        last = math.max(last, number)
      end
    end
  end
  if #gone > 0 then redis.call('HDEL', KEYS[i], unpack(gone)) end
  local wait = -1
  local excess = used + held + math.max(amount, 1) - most
  if excess > 0 then
    if refused == 0 then refused = i - 2 end
    table.sort(counts, function(one, other) return one[1] < other[1] end)
    for _, one in ipairs(counts) do
      excess = excess - one[2]
      if excess <= 0 then
        wait = math.max(0, leaves(length, one[1]) - now)
        break
      end
    end
  end
  out[i - 2] = {used, held, wait, last, slots[i]}
end

if refused == 0 then
  local holds = false
  for i = 3, #KEYS do
    local a = 4 + (i - 3) * 5
    if ARGV[a] == 'requests' then
      redis.call('HINCRBY', KEYS[i], slots[i], ARGV[a + 2])
    else
      holds = true
      redis.call('HINCRBY', KEYS[i], 'held', ARGV[a + 2])
      redis.call('HINCRBY', KEYS[2], KEYS[i], ARGV[a + 2])
    end
    redis.call('HSET', KEYS[i], 'unit', ARGV[a], 'most', ARGV[a + 1], 'length', ARGV[a + 3])
    redis.call('PEXPIRE', KEYS[i], ARGV[a + 4])
  end
  if holds then
    redis.call('HSET', KEYS[2], ':who', ARGV[3])
    redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[2])), KEYS[2])
  end
end
local answer = {refused, now}
for i = 1, #out do
  for at = 1, 5 do answer[#answer + 1] = out[i][at] end
end
return answer
"""
)

SETTLE = (
    _BEGIN
    + """
-- KEYS: the leases, the record, the counters
-- ARGV: now or '', milliseconds to remember it, microseconds since it was due; for each counter: kind, most, used,
-- taken, length of a slot, milliseconds to keep it, slot of a request. That is '+' and how long it had run when it was
-- due, where the request was not counted here, and '?' with that where it was only if there is a record of it.
if redis.call('HGET', KEYS[2], ':done') == 'settled' then return 0 end
local recorded = redis.call('EXISTS', KEYS[2]) == 1
local due = now - tonumber(ARGV[3])
local function count(i, a, amount, moment)
  local length = tonumber(ARGV[a + 4])
  local slot = slot_of(length, moment)
  if slot <= slot_of(length, now) - 31 then return end  -- it has left the window meanwhile
  redis.call('HINCRBY', KEYS[i], whole(slot), amount)
  redis.call('HSET', KEYS[i], 'unit', ARGV[a], 'most', ARGV[a + 1], 'length', ARGV[a + 4])
  redis.call('PEXPIRE', KEYS[i], ARGV[a + 5])
end
if redis.call('HEXISTS', KEYS[2], ':done') == 0 then give_back(KEYS[2]) end
redis.call('HSET', KEYS[2], ':done', 'settled')
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[1], KEYS[2])
for i = 3, #KEYS do
  local a = 4 + (i - 3) * 7
  local kind, used = ARGV[a], tonumber(ARGV[a + 2])
  if kind == 'requests' then
    local mark, ran = string.match(ARGV[a + 6], '^([+?])(%d+)$')
    if mark then
      if used > 0 and not (mark == '?' and recorded) then count(i, a, ARGV[a + 3], due - tonumber(ran)) end
    elseif used == 0 then
      local counted = tonumber(redis.call('HGET', KEYS[i], ARGV[a + 6]) or '0')
      if counted > 0 then
        redis.call('HINCRBY', KEYS[i], ARGV[a + 6], whole(-math.min(counted, tonumber(ARGV[a + 3]))))
      end
    end
  elseif kind ~= 'parallel' and used > 0 then
    count(i, a, ARGV[a + 2], due)
  end
end
return 1
"""
)

RENEW = (
    _BEGIN
    + """
-- KEYS: the leases, the records; ARGV: now or '', lease
local lease = tonumber(ARGV[2])
for i = 2, #KEYS do
  if redis.call('ZSCORE', KEYS[1], KEYS[i]) then
    redis.call('ZADD', KEYS[1], whole(now + lease), KEYS[i])
    for _, counter in ipairs(redis.call('HKEYS', KEYS[i])) do
      local left = redis.call('PTTL', counter)
      if left >= 0 and left < lease / 100 then redis.call('PEXPIRE', counter, whole(lease / 100)) end
    end
  end
end
reap(1000)
return 0
"""
)
