// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What consent means, without words, masks and slots: the decisions of one patient each as a plain record.
contract ConsentModel {
    struct Decision {
        bool permitted;
        uint40 from;
        uint40 to;
        uint32 purposes;
        uint64 categories;
        uint32 epoch;
    }

    mapping(bytes32 key => Decision) private _decisions;
    mapping(bytes32 patient => uint32) public epochs;
    mapping(bytes32 patient => bool) public vetoed;
    mapping(bytes32 party => bool) public suspended;

    function permit(
        bytes32 patient,
        bytes32 grantee,
        bytes32 label,
        uint8 actions,
        uint40 from,
        uint40 to,
        uint32 purposes,
        uint64 categories
    ) external {
        for (uint8 action = 0; action < 7; ++action) {
            if (actions >> action & 1 == 0) continue;
            _decisions[keccak256(abi.encode(patient, grantee, label, action))] =
                Decision(true, from, to, purposes, categories, epochs[patient]);
        }
    }

    function forbid(bytes32 patient, bytes32 grantee, bytes32 label, uint8 actions) external {
        for (uint8 action = 0; action < 7; ++action) {
            if (actions >> action & 1 == 0) continue;
            delete _decisions[keccak256(abi.encode(patient, grantee, label, action))];
        }
    }

    function forbidAll(bytes32 patient) external {
        ++epochs[patient];
    }

    function setVeto(bytes32 patient, bool vetoed_) external {
        vetoed[patient] = vetoed_;
    }

    function setSuspended(bytes32 party, bool suspended_) external {
        suspended[party] = suspended_;
    }

    function allows(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action, uint32 purpose, uint64 category)
        external
        view
        returns (bool)
    {
        if (purpose == 1 << 7) {
            if (action != 0 || vetoed[patient]) return false;
            action = 6;
        }
        Decision memory decision = _decisions[keccak256(abi.encode(patient, grantee, label, action))];
        return decision.permitted && !suspended[grantee] && decision.epoch == epochs[patient]
            && decision.from <= block.timestamp && block.timestamp < decision.to
            && decision.purposes & purpose == purpose && decision.categories & category == category;
    }
}
