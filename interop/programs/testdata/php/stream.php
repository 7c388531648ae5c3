<?php
require 'marks.inc';
header('Content-Type: text/plain');
echo "first\n";
flush();
await($_GET['mark']);
echo "second\n";
