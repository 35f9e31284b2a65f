-- For wrk: each request creates another user. The token and the prefix of the logins come as arguments.
local token, prefix, n
local headers = {}

function init(arguments)
    token, prefix, n = arguments[1], arguments[2], 0
    headers["Authorization"] = "Bearer " .. token
    headers["Content-Type"] = "application/json"
end

function request()
    n = n + 1
    local login = prefix .. n
    return wrk.format("POST", "/configapi/v2/user", headers,
        '{"loginId":"' .. login .. '","firstName":"Sheila","lastName":"Thomas","team":"Customer Service",' ..
        '"email":"' .. login .. '@nowhere.example","workPhone":"4151234567","disabled":false,' ..
        '"changePassword":true,"skills":{"Spanish":100,"English":80},"roles":["Agent"]}')
end
