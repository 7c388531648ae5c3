#!/usr/bin/perl
# A FastCGI server on the socket that it has as its standard input.
use CGI;
use FCGI;
require '@DIR@/perl/form.pm';
my %env;
my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%env, 0, FCGI::FAIL_ACCEPT_ON_INTR());
while ($request->Accept >= 0) {
	local %ENV = (%ENV, %env);
	CGI::initialize_globals();
	eval { answer(CGI->new, sub { $request->Flush }); 1 } or print STDERR $@;
}
