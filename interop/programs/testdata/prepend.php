<?php
// Debian has the settings in /etc/dokuwiki.
define('DOKU_CONF', '@DIR@/conf/');
