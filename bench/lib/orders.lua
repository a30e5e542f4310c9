-- For wrk: POSTs realistic orders. Each thread builds 10,000 requests before the load starts, one for each of 10,000
-- customers. So building requests costs the machine nothing during the measurement.
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local prepared = {}
local at = 0

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
end

function request()
  at = at % 10000 + 1
  return prepared[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p99Microseconds":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99)))
end
