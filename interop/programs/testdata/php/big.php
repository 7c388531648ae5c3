<?php
header('Content-Type: application/octet-stream');
if (isset($_GET['length'])) {
	header('Content-Length: ' . (1 << 23));
}
for ($i = 0; $i < 128; $i++) {
	echo str_repeat(chr(65 + $i % 26), 1 << 16);
}
