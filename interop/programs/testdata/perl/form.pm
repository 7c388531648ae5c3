# What the tests ask of a script with CGI.pm.
use strict;
use warnings;

sub answer {
	my ($cgi, $flush) = @_;
	my $name = $cgi->param('name') // '';
	if ($name eq 'away') {
		print $cgi->redirect('http://example.com/');
		return;
	}
	if ($name eq 'missing') {
		print $cgi->header(-status => '404 Not Found', -type => 'text/plain'), "there is none\n";
		return;
	}
	print $cgi->header(-type => 'text/plain', -charset => 'utf-8', -cookie => $cgi->cookie(-name => 'seen', -value => '1'));
	print 'name: ', join(', ', $cgi->multi_param('name')), "\n";
	print 'method: ', $cgi->request_method, "\n";
	print 'path: ', $cgi->path_info, "\n";
	print 'cookie: ', $cgi->cookie('seen') // '', "\n";
	if (my $file = $cgi->upload('file')) {
		local $/;
		my $data = <$file>;
		print 'upload: ', $cgi->param('file'), ' ', length $data, "\n";
	}
	warn "a warning of the script\n" if $name eq 'warn';
	if ($name eq 'stream') {
		print "first\n";
		$flush->();
		my $mark = q(@DIR@/marks/) . $cgi->param('mark');
		for (1 .. 24000) {
			last if -e $mark;
			select undef, undef, undef, 0.005;
		}
		print "second\n" if -e $mark;
	}
	die "the script died\n" if $name eq 'die';
}

1;
