// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditLog} from "../../../contracts/interfaces/IAuditLog.sol";
import {IConsentRegistry} from "../../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../../contracts/interfaces/IIdentityRegistry.sol";
import {IProxyRegistry} from "../../../contracts/interfaces/IProxyRegistry.sol";
import {IRecordAnchors} from "../../../contracts/interfaces/IRecordAnchors.sol";
import {Test} from "./Test.sol";
import {TypedData} from "./TypedData.sol";

/// @notice A small consortium: an administrator, two hospitals, a practitioner, a patient with a wallet (ALICE) and one in
/// the custody of hospital A (CAROL). Contracts are deployed from their artifacts and used through their interfaces.
abstract contract Consortium is Test {
    uint40 internal constant NOW = 1_763_000_000;
    uint40 internal constant OPEN_END = type(uint40).max;
    uint40 internal constant RECOVERY_DELAY = 7 days;
    uint64 internal constant EVERY_CATEGORY = type(uint64).max;

    uint8 internal constant READ = 0;
    uint8 internal constant CAN_READ = 1;
    uint8 internal constant CREATE = 1;
    uint8 internal constant CAN_CREATE = 2;
    uint8 internal constant UPDATE = 2;
    uint8 internal constant CAN_UPDATE = 4;
    uint32 internal constant TREAT = 1 << 0;
    uint32 internal constant RESEARCH = 1 << 4;
    uint32 internal constant BREAK_GLASS = 1 << 7;
    bytes32 internal constant ALL_LABELS = 0;
    bytes32 internal constant GENERAL = keccak256("consentry.label.general");
    bytes32 internal constant HIV = keccak256("consentry.label.HIV");

    uint256 internal constant ADMIN_KEY = 0xad;
    uint256 internal constant A_KEY = 0xa0;
    uint256 internal constant B_KEY = 0xb0;
    uint256 internal constant DOCTOR_KEY = 0xd0;
    uint256 internal constant ALICE_KEY = 0xa11ce;
    uint256 internal constant CAROL_KEY = 0xca401;
    uint256 internal constant STRANGER_KEY = 0x57;

    bytes32 internal constant A = keccak256("hospital A");
    bytes32 internal constant B = keccak256("hospital B");
    bytes32 internal constant DOCTOR = keccak256("practitioner of B");
    bytes32 internal constant ALICE = keccak256("patient with a wallet");
    bytes32 internal constant CAROL = keccak256("patient in custody");

    address internal admin = vm.addr(ADMIN_KEY);
    address internal a = vm.addr(A_KEY);
    address internal b = vm.addr(B_KEY);
    address internal doctor = vm.addr(DOCTOR_KEY);
    address internal alice = vm.addr(ALICE_KEY);
    address internal carol = vm.addr(CAROL_KEY);
    address internal stranger = vm.addr(STRANGER_KEY);

    IIdentityRegistry internal identity;
    IConsentRegistry internal consents;
    IRecordAnchors internal anchors;
    IAuditLog internal log;
    IProxyRegistry internal proxies;

    function setUp() public virtual {
        vm.warp(NOW);
        identity = IIdentityRegistry(
            vm.deployCode("IdentityRegistry.sol:IdentityRegistry", abi.encode(admin, RECOVERY_DELAY))
        );
        consents = IConsentRegistry(vm.deployCode("ConsentRegistry.sol:ConsentRegistry", abi.encode(identity)));
        anchors = IRecordAnchors(vm.deployCode("RecordAnchors.sol:RecordAnchors", abi.encode(identity)));
        log = IAuditLog(vm.deployCode("AuditLog.sol:AuditLog", abi.encode(identity)));
        proxies = IProxyRegistry(vm.deployCode("ProxyRegistry.sol:ProxyRegistry", abi.encode(identity)));

        vm.startPrank(admin);
        identity.connectConsentRegistry(address(consents));
        identity.registerEntity(registration(A, a));
        identity.registerEntity(registration(B, b));
        vm.stopPrank();
        IIdentityRegistry.Registration memory doctor_ = registration(DOCTOR, doctor);
        doctor_.endpoint = "";
        vm.prank(b);
        identity.registerPractitioner(B, doctor_);
        registerPatient(ALICE, alice);
        registerPatient(CAROL, address(0));
    }

    function registration(bytes32 id, address controller)
        internal
        pure
        returns (IIdentityRegistry.Registration memory)
    {
        return IIdentityRegistry.Registration({
            id: id,
            controller: controller,
            validFrom: NOW,
            validTo: OPEN_END,
            credential: 0,
            encryptionKey: key(id),
            endpoint: "https://gateway.example"
        });
    }

    function key(bytes32 id) internal pure returns (bytes memory) {
        return abi.encodePacked(bytes1(0x02), id);
    }

    /// @dev Registered by hospital A; without a controller: in its custody.
    function registerPatient(bytes32 id, address controller) internal {
        vm.prank(a);
        identity.registerPatients(A, one(id), oneAddress(controller), one(keccak256(key(id))));
    }

    // ------------------------------------------------------------------ consents

    /// @dev Read of the general label for treatment, from now, without end.
    function grantOf(bytes32 patient, bytes32 grantee) internal view returns (IConsentRegistry.Grant memory) {
        return IConsentRegistry.Grant({
            patient: patient,
            grantee: grantee,
            labels: one(GENERAL),
            actions: CAN_READ,
            purposes: TREAT,
            categories: EVERY_CATEGORY,
            from: uint40(vm.getBlockTimestamp()),
            to: OPEN_END,
            packageHash: keccak256("grant package"),
            policyHash: 0,
            nonce: consents.grantNonce(patient),
            deadline: uint40(vm.getBlockTimestamp()) + 600
        });
    }

    function signed(IConsentRegistry.Grant memory consent, uint256 privateKey) internal view returns (bytes memory) {
        return signature(TypedData.hash(consent), privateKey);
    }

    function revocationOf(bytes32 patient, bytes32 grantee) internal view returns (IConsentRegistry.Revocation memory) {
        return IConsentRegistry.Revocation({
            patient: patient,
            grantee: grantee,
            labels: one(GENERAL),
            actions: CAN_READ,
            nonce: consents.revocationNonce(patient),
            deadline: uint40(vm.getBlockTimestamp()) + 600
        });
    }

    function signed(IConsentRegistry.Revocation memory revocation, uint256 privateKey)
        internal
        view
        returns (bytes memory)
    {
        return signature(TypedData.hash(revocation), privateKey);
    }

    /// @dev Signs on the domain of the consent registry.
    function signature(bytes32 structHash, uint256 privateKey) internal view returns (bytes memory) {
        return signature(address(consents), "Consentry ConsentRegistry", structHash, privateKey);
    }

    function signature(address target, string memory name, bytes32 structHash, uint256 privateKey)
        internal
        view
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKey, TypedData.digest(target, name, structHash));
        return abi.encodePacked(r, s, v);
    }

    /// @dev The compact form of a signed grant of one word.
    function compact(IConsentRegistry.Grant memory consent, uint256 privateKey)
        internal
        view
        returns (IConsentRegistry.CompactGrant memory)
    {
        uint8 action = 0;
        while (consent.actions >> action != 1) ++action;
        bytes32 digest = TypedData.digest(address(consents), "Consentry ConsentRegistry", TypedData.hash(consent));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKey, digest);
        return IConsentRegistry.CompactGrant({
            patient: consent.patient,
            grantee: consent.grantee,
            label: consent.labels[0],
            terms: uint256(consent.from) | (uint256(consent.to) << 40) | (uint256(consent.purposes) << 80)
                | (uint256(consent.categories) << 112) | (uint256(action) << 176) | (uint256(consent.deadline) << 184)
                | (uint256(uint32(consent.nonce)) << 224),
            packageHash: consent.packageHash,
            r: r,
            vs: bytes32(uint256(s) | (uint256(v - 27) << 255))
        });
    }

    function mayRead(bytes32 patient, bytes32 grantee) internal view returns (bool) {
        return consents.check(patient, grantee, GENERAL, READ, TREAT, 1);
    }

    // ------------------------------------------------------------------ arrays of one

    function one(bytes32 value) internal pure returns (bytes32[] memory array) {
        array = new bytes32[](1);
        array[0] = value;
    }

    function oneAddress(address value) internal pure returns (address[] memory array) {
        array = new address[](1);
        array[0] = value;
    }

    function two(bytes32 first, bytes32 second) internal pure returns (bytes32[] memory array) {
        array = new bytes32[](2);
        (array[0], array[1]) = (first, second);
    }
}
