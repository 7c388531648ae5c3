<?php
session_start();
$_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
setcookie('other', 'value', ['path' => '/', 'samesite' => 'Lax']);
echo 'visit ', $_SESSION['n'], "\n";
