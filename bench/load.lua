-- Requests for wrk. WORKLOAD is the name of the workload, ROWS the number of products in the database.
local workload, rows = os.getenv("WORKLOAD"), tonumber(os.getenv("ROWS"))
local json = { ["Content-Type"] = "application/json" }
-- Starts above the ids of earlier runs.
local id = os.time() * 100000
math.randomseed(os.time())

local function product()
    id = id + 1
    return string.format('{"id":%d,"name":"Bench product %d","price":19.99,"amount":%d}', id, id, id % 1000)
end

local requests = {
    get_one = function()
        return wrk.format("GET", "/products/" .. math.random(1, rows))
    end,
    get_page = function()
        return wrk.format("GET", "/products?limit=100")
    end,
    get_any_page = function()
        return wrk.format("GET", "/products?limit=100&id=gt." .. math.random(1, rows))
    end,
    post_one = function()
        return wrk.format("POST", "/products", json, product())
    end,
    post_1000 = function()
        local products = {}
        for index = 1, 1000 do
            products[index] = product()
        end
        return wrk.format("POST", "/products", json, "[" .. table.concat(products, ",") .. "]")
    end,
    graphql_one = function()
        local query = '{"query":"query One($id: ID!) { product(id: $id) { id name price amount } }","variables":{"id":"%d"}}'
        return wrk.format("POST", "/graphql", json, string.format(query, math.random(1, rows)))
    end,
    graphql_page = function()
        local query = '{"query":"{ products(first: 100) { edges { node { id name price amount } } } }"}'
        return wrk.format("POST", "/graphql", json, query)
    end,
}

request = requests[workload]
