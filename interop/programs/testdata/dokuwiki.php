<?php
// conf/local.php
$conf['title'] = 'The wiki of the tests';
$conf['savedir'] = '@DIR@/data';
$conf['useacl'] = 1;
$conf['superuser'] = '@admin';
$conf['userewrite'] = 2; // doku.php/page
$conf['authtype'] = 'authplain';
