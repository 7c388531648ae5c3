#!/usr/bin/perl
use CGI;
use IO::Handle;
require '@DIR@/perl/form.pm';
answer(CGI->new, sub { STDOUT->flush });
