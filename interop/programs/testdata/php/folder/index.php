<?php echo "the index of the folder\n";
