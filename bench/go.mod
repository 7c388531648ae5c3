module example.com/gateway/bench

go 1.26

require example.com/gateway v0.0.0

require github.com/aws/aws-lambda-go v1.55.1

replace example.com/gateway => ../
