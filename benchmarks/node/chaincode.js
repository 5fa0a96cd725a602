// The same work as zoneshare_benchmarks/wire_chaincode.py, on Fabric's own runtime for Node.
'use strict';

const shim = require('fabric-shim');

class Work {
    async Init() {
        return shim.success();
    }

    async Invoke(stub) {
        const payload = stub.getBufferArgs()[1];
        await stub.getState('a');
        await stub.getState('b');
        await stub.putState(stub.getTxID(), payload);
        return shim.success(payload);
    }
}

const server = shim.server(new Work(), {
    ccid: process.env.CHAINCODE_ID,
    address: process.env.CHAINCODE_SERVER_ADDRESS,
});
server.start().then(() => process.stdout.write('ready\n'));
