package lambda_test

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/lambda"
)

func hello(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return start.Answer(200, plain, gateway.Text("Hello World !\n"))
}

// The whole bootstrap of a function whose URL has the invoke mode RESPONSE_STREAM.
func ExampleServer() {
	server := lambda.Server{
		Application: gateway.ApplicationFunc(hello),
		Stream:      true,
		ErrorLog:    log.New(os.Stderr, "", 0), // CloudWatch adds the time
	}
	log.Fatal(server.Serve())
}

// What an event has beside the request is in Extra: here, what an authorizer of API Gateway says.
func ExampleServer_event() {
	app := gateway.ApplicationFunc(
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			var event struct {
				RequestContext struct {
					Authorizer struct{ PrincipalID string }
				}
			}
			data, _ := env.Extra["lambda.event"].([]byte) // nil elsewhere
			_ = json.Unmarshal(data, &event)
			user := event.RequestContext.Authorizer.PrincipalID
			return start.Answer(200, plain, gateway.Text("Hello "+user))
		})

	env := gatewaytest.NewEnviron("GET", "/", nil)
	env.Extra = map[string]any{
		"lambda.event": []byte(`{"requestContext": {"authorizer": {"principalId": "ada"}}}`),
	}
	fmt.Println(gatewaytest.Record(app, env).Body())
	// Output: Hello ada
}
