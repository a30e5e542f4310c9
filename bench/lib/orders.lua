-- For wrk: POSTs realistic orders. Each thread builds 10,000 requests before the load starts, one for each of 10,000
-- customers. So building requests costs the machine nothing during the measurement. A first argument is the number of
-- orders a second of all threads together, which then do not send as fast as they can.
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, microseconds; } instant; int gettimeofday(instant *now, void *zone);")

local started = {}

function setup(thread)
  table.insert(started, thread)
  thread:set("number", #started)
end

local prepared = {}
local at = 0
local threads = 2

function init(args)
  math.randomseed(number * 7919)
  local headers = { ["Content-Type"] = "application/json" }
  for i = 1, 10000 do
    local items = {}
    for j = 1, math.random(1, 3) do
      items[j] = string.format('{"sku":"SKU-%05d","quantity":%d,"unitPrice":%.2f}',
        math.random(1, 50000), math.random(1, 4), math.random(100, 50000) / 100)
    end
    local note = ""
    if math.random(1, 4) == 1 then note = ',"note":"Please leave it with the neighbours if no one is in."' end
    local body = string.format('{"customerId":"customer-%05d","currency":"%s","items":[%s]%s}',
      math.random(1, 10000), math.random(1, 2) == 1 and "EUR" or "USD", table.concat(items, ","), note)
    prepared[i] = wrk.format("POST", nil, headers, body)
  end
  if args[1] ~= nil then pace(1000 * threads / tonumber(args[1])) end
end

function request()
  at = at % 10000 + 1
  return prepared[at]
end

-- Lets this thread send a request each `every` milliseconds, over whichever connection is free.
function pace(every)
  local now = ffi.new("instant")
  local due = nil
  function delay()
    ffi.C.gettimeofday(now, nil)
    local milliseconds = tonumber(now.seconds) * 1000 + tonumber(now.microseconds) / 1000
    due = math.max(due or milliseconds, milliseconds - 100) + every
    return math.max(0, due - milliseconds)
  end
end

overloaded = 0

-- wrk counts every answer past 399 alike. A server that is overloaded may refuse, and other refusals are faults.
function response(status, _, body)
  if status == 503 and body:find('"code":"overloaded"', 1, true) then overloaded = overloaded + 1 end
end

function done(summary, latency)
  local errors = summary.errors
  local refused = 0
  for _, thread in ipairs(started) do refused = refused + thread:get("overloaded") end
  io.write(string.format('{"requests":%d,"microseconds":%d,"failed":%d,"overloaded":%d,"broken":%d,"p99Microseconds":%d}\n',
    summary.requests, summary.duration, errors.status, refused,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99)))
end
