module example.com/gateway/bench

go 1.25

require example.com/gateway v0.0.0

replace example.com/gateway => ../
