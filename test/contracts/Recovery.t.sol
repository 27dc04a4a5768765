// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice Guardians, and the recovery of a party whose key was lost: slow, cancellable, never in custody.
contract RecoveryTest is Consortium {
    string private constant NAME = "Consentry IdentityRegistry";

    function test_recoveryTakesTheGuardianAndTheDelay() public {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, stranger));
        identity.proposeRecovery(ALICE, stranger);
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        (address proposed, uint40 from) = identity.recoveryOf(ALICE);
        assertEq(proposed, stranger, "proposed");
        assertEq(from, NOW + RECOVERY_DELAY, "delay");
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.RecoveryNotDue.selector, from));
        identity.completeRecovery(ALICE);
        vm.warp(from);
        identity.completeRecovery(ALICE);
        assertEq(identity.controllerOf(ALICE), stranger, "recovered");
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NoRecovery.selector, ALICE));
        identity.completeRecovery(ALICE);
        // And the consent registry knows.
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        vm.prank(stranger);
        consents.grant(consent);
    }

    function test_thePresentControllerStopsARecovery() public {
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("CancelRecovery(bytes32 party,uint256 nonce,uint256 deadline)"),
                ALICE,
                identity.nonces(ALICE),
                uint256(NOW)
            )
        );
        bytes memory by = signature(address(identity), NAME, structHash, STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, address(this)));
        identity.cancelRecoverySigned(ALICE, NOW, by);
        by = signature(address(identity), NAME, structHash, ALICE_KEY);
        identity.cancelRecoverySigned(ALICE, NOW, by);
        vm.warp(NOW + RECOVERY_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NoRecovery.selector, ALICE));
        identity.completeRecovery(ALICE);
    }

    function test_aNewGuardianEndsTheRecoveryOfTheOld() public {
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("SetGuardian(bytes32 party,address guardian,uint256 nonce,uint256 deadline)"),
                ALICE,
                b,
                identity.nonces(ALICE),
                uint256(NOW)
            )
        );
        bytes memory by = signature(address(identity), NAME, structHash, ALICE_KEY);
        identity.setGuardianSigned(ALICE, b, NOW, by);
        assertEq(identity.guardianOf(ALICE), b, "guardian");
        (address proposed,) = identity.recoveryOf(ALICE);
        assertEq(proposed, address(0), "cancelled");
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, address(this)));
        identity.setGuardianSigned(ALICE, b, NOW, by);
    }

    function test_theAdministratorRecoversEntitiesNotPatients() public {
        vm.prank(admin);
        identity.proposeRecovery(A, stranger);
        vm.warp(NOW + RECOVERY_DELAY);
        identity.completeRecovery(A);
        assertTrue(identity.operates(A, stranger), "recovered");
        assertTrue(identity.speaksFor(CAROL, stranger), "custody follows");
        bytes32[2] memory patients = [ALICE, CAROL];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(admin);
            vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, patients[i], admin));
            identity.proposeRecovery(patients[i], admin);
        }
    }

    function test_noGuardianInCustody() public {
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, CAROL, a));
        identity.setGuardian(CAROL, stranger);
        bytes memory by = guardianSignature(CAROL, stranger, A_KEY);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, CAROL, address(this)));
        identity.setGuardianSigned(CAROL, stranger, NOW, by);
    }

    function test_aHandoverEndsTheRecovery() public {
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        bytes memory acceptance = changeSignature(ALICE, carol, NOW, CAROL_KEY);
        vm.prank(alice);
        identity.changeController(ALICE, carol, NOW, "", acceptance);
        vm.warp(NOW + RECOVERY_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NoRecovery.selector, ALICE));
        identity.completeRecovery(ALICE);
    }

    function test_theGuardianMayCancelAndNobodyElse() public {
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        address[3] memory others = [stranger, admin, b];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, others[i]));
            identity.cancelRecovery(ALICE);
        }
        vm.prank(doctor);
        identity.cancelRecovery(ALICE);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NoRecovery.selector, ALICE));
        identity.cancelRecovery(ALICE);
    }

    function test_theControllerCancelsBySending() public {
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        vm.prank(alice);
        identity.cancelRecovery(ALICE);
        (address proposed, uint40 from) = identity.recoveryOf(ALICE);
        assertEq(proposed, address(0), "nobody");
        assertEq(from, 0, "never");
    }

    function test_aCancellationIsNotReplayed() public {
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        bytes memory by = signature(
            address(identity),
            NAME,
            keccak256(
                abi.encode(
                    keccak256("CancelRecovery(bytes32 party,uint256 nonce,uint256 deadline)"),
                    ALICE,
                    identity.nonces(ALICE),
                    uint256(NOW)
                )
            ),
            ALICE_KEY
        );
        identity.cancelRecoverySigned(ALICE, NOW, by);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, address(this)));
        identity.cancelRecoverySigned(ALICE, NOW, by);
    }

    function test_aRecoveryNamesAnotherAccount() public {
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        address[2] memory none = [address(0), alice];
        for (uint256 i = 0; i < none.length; ++i) {
            vm.prank(doctor);
            vm.expectRevert(IIdentityRegistry.InvalidController.selector);
            identity.proposeRecovery(ALICE, none[i]);
        }
    }

    function test_theAdministratorRecoversProxiesNotPractitionersNorOverAGuardian() public {
        bytes32 ursula = keccak256("ursula");
        vm.startPrank(admin);
        identity.registerProxy(registration(ursula, stranger), B);
        identity.proposeRecovery(ursula, carol);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, DOCTOR, admin));
        identity.proposeRecovery(DOCTOR, carol);
        vm.stopPrank();
        (address proposed,) = identity.recoveryOf(ursula);
        assertEq(proposed, carol, "proposed");
        vm.prank(b);
        identity.setGuardian(B, carol);
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, B, admin));
        identity.proposeRecovery(B, stranger);
    }

    function guardianSignature(bytes32 party, address guardian, uint256 privateKey)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("SetGuardian(bytes32 party,address guardian,uint256 nonce,uint256 deadline)"),
                party,
                guardian,
                identity.nonces(party),
                uint256(NOW)
            )
        );
        return signature(address(identity), NAME, structHash, privateKey);
    }

    function changeSignature(bytes32 party, address controller, uint256 deadline, uint256 privateKey)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("ChangeController(bytes32 party,address controller,uint256 nonce,uint256 deadline)"),
                party,
                controller,
                identity.nonces(party),
                deadline
            )
        );
        return signature(address(identity), NAME, structHash, privateKey);
    }
}
