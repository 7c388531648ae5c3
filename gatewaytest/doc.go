// Package gatewaytest tests what stands on either side of the contract, as net/http/httptest and
// testing/slogtest do for net/http and log/slog:
//
//   - [NewEnviron] makes a request and [Record] records the response, for an application's own
//     tests;
//   - [TestApplication] and [TestMiddleware] run an application, or a middleware, through every
//     failure that a server can have;
//   - [TestServer] proves, over real connections, that a server keeps the rules.
//
// A failure of the three suites quotes the rule that was broken, by its number in docs/spec.md and
// in words, and names the side that broke the rule.
package gatewaytest
