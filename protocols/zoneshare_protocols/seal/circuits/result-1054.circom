pragma circom 2.1.0;
include "poseidon13.circom";
include "result.circom";
component main {public [context, ciphertext]} = Result(34, 13, 3);
