<?php
require 'marks.inc';
mark($_GET['mark'], 'it runs');
$file = $_FILES['file'] ?? null;
if ($file) {
	echo $file['name'], ' ', $file['error'], ' ', filesize($file['tmp_name']), ' ', hash_file('sha256', $file['tmp_name']), "\n";
}
