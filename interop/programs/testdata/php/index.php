<?php
// The request, as PHP has it.
$input = fopen('php://input', 'r');
$hash = hash_init('sha256');
$size = hash_update_stream($hash, $input);
header('Content-Type: application/json');
$server = array_filter($_SERVER, 'is_string');
echo json_encode(['server' => $server, 'get' => $_GET, 'post' => $_POST, 'cookie' => $_COOKIE,
	'size' => $size, 'sha256' => hash_final($hash), 'env' => getenv('PATH')], JSON_INVALID_UTF8_SUBSTITUTE);
