// One write a transaction, each to a key of its own.
'use strict';

const { WorkloadModuleBase } = require('@hyperledger/caliper-core');

class Put extends WorkloadModuleBase {
    constructor() {
        super();
        this.count = 0;
    }

    async submitTransaction() {
        this.count += 1;
        await this.sutAdapter.sendRequests({
            contractId: 'asset',
            contractFunction: 'put',
            contractArguments: [`caliper${this.workerIndex}-${this.count}`, 'v'],
            invokerIdentity: 'car',
            readOnly: false,
        });
    }
}

module.exports.createWorkloadModule = () => new Put();
