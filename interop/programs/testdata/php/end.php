<?php
// The ways in which a script ends.
require 'marks.inc';
header('Content-Type: text/plain');
switch ($_GET['how']) {
case 'exit':
	echo "so far\n";
	exit(0);
case 'exit-3':
	echo "so far\n";
	exit(3);
case 'fatal':
	there_is_no_such_function();
case 'fatal-after':
	echo "so far\n";
	flush();
	there_is_no_such_function();
case 'kill':
	posix_kill(getmypid(), 9);
	sleep(10);
case 'kill-after':
	echo "so far\n";
	flush();
	posix_kill(getmypid(), 9);
	sleep(10);
case 'short':
	header('Content-Length: 1000');
	echo "so far\n";
	exit;
case 'finish':
	echo "all of it\n";
	fastcgi_finish_request();
	await($_GET['mark']);
	mark($_GET['mark'] . '-done', 'done');
	exit;
case 'slow':
	// It says nothing until the mark is there, and then something again and again.
	register_shutdown_function(function () { mark($_GET['mark'] . '-end', 'status ' . connection_status()); });
	mark($_GET['mark'] . '-begin', 'begun');
	await($_GET['mark']);
	for ($i = 0; $i < 2000; $i++) {
		echo "still here\n";
		flush();
		usleep(5000);
	}
	mark($_GET['mark'] . '-after', 'nobody has ended it');
	exit;
case 'endless':
	// It says something again and again, to nobody.
	register_shutdown_function(function () { mark($_GET['mark'] . '-end', 'status ' . connection_status()); });
	for ($i = 0; $i < 4000; $i++) {
		echo "still here\n";
		flush();
		usleep(5000);
	}
	mark($_GET['mark'] . '-after', 'nobody has ended it');
	exit;
}
